-- stg_spend: spend rows with types, one row per source row, each number beside its cell.
-- Reads: spend (the snapshot, all text). A cell that cannot be read is null here and named by
-- sql/checks. A row that repeats an earlier one in every cell is marked; marts leave it out.
select
    file,
    row,
    is_repeat,
    iso_day(day) as day,
    day as day_cell,
    line_1,
    line_2,
    line_3,
    line_4,
    dimensions,
    currency,
    plain_amount(spend) as spend,
    plain_amount(budget) as budget,
    plain_amount(impressions) as impressions,
    plain_amount(clicks) as clicks,
    spend as spend_cell,
    budget as budget_cell,
    impressions as impressions_cell,
    clicks as clicks_cell
from spend
