-- stg_spend: spend rows with types, one row per source row; of rows that are equal in every cell
-- the first stays. Reads: spend (the snapshot, all text). A cell that cannot be read is null here
-- and named by sql/checks.
select
    file,
    row,
    iso_day(day) as day,
    line_1,
    line_2,
    line_3,
    line_4,
    dimensions,
    plain_number(spend) as spend,
    plain_number(budget) as budget,
    plain_number(impressions) as impressions,
    plain_number(clicks) as clicks
from spend
qualify row_number() over (partition by raw order by file, row) = 1
