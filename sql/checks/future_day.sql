-- future_day: rows of a day that has not come. Reads: spend, outcomes, night. Level: fail.
-- Advice: check the clock and the time zone of whoever wrote the file
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
    'lies after today, ' || today::text as problem
from cells
cross join night
where iso_day(value) > today
order by source, file, row
