-- unreadable_day: cells of the date column that are no ISO day, or no day that money was spent on.
-- Reads: spend, outcomes (the snapshot, all text). Level: fail.
-- Advice: write days as 2026-11-22
with

cells as (
    select 'spend' as source, file, row, day as value from spend
    union distinct
    select 'outcomes' as source, file, row, day as value from outcomes
)

select
    source,
    file,
    row,
    'date' as "column",
    value,
    case
        when value = '' then 'is empty'
        when iso_day(value) is null then 'is not an ISO day'
        else 'lies before the year 2000'
    end as problem
from cells
where iso_day(value) is null or iso_day(value) < date '2000-01-01'
order by source, file, row
