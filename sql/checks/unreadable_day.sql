-- unreadable_day: cells of the date column that are no ISO day, or no day that money was spent on.
-- Reads: stg_spend, stg_outcomes. Level: fail.
-- Advice: write days as 2026-11-22
with

cells as (
    select 'spend' as source, file, row, day, day_cell as value
    from stg_spend
    where day is null or day < date '2000-01-01'
    union distinct
    select 'outcomes' as source, file, row, day, day_cell as value
    from stg_outcomes
    where day is null or day < date '2000-01-01'
)

select
    source,
    file,
    row,
    'date' as "column",
    value,
    case
        when value = '' then 'is empty'
        when day is null then 'is not an ISO day'
        else 'lies before the year 2000'
    end as problem
from cells
order by source, file, row
