-- stg_outcomes: outcomes with types, one row per source row and metric; of rows that are equal in
-- every cell the first stays. Reads: outcomes (the snapshot, all text).
select
    file,
    row,
    iso_day(day) as day,
    line_1,
    line_2,
    line_3,
    line_4,
    dimensions,
    metric,
    plain_number(value) as value
from outcomes
qualify row_number() over (partition by raw, metric order by file, row) = 1
