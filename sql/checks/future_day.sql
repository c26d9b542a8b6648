-- future_day: rows of a day that has not come. Reads: stg_spend, stg_outcomes, night. Level: fail.
-- Advice: check the clock and the time zone of whoever wrote the file
with

cells as (
    select 'spend' as source, file, row, day_cell as value
    from stg_spend
    where day > (select today from night)
    union distinct
    select 'outcomes' as source, file, row, day_cell as value
    from stg_outcomes
    where day > (select today from night)
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
order by source, file, row
