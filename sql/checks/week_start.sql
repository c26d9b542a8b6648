-- week_start: rows of a weekly table that do not begin a week where the first one does.
-- Reads: stg_spend, stg_outcomes, night. Level: fail.
-- Advice: name each week by its first day, always the same weekday, or say period: day
with

cells as (
    select 'spend' as source, file, row, day, day_cell as value
    from stg_spend
    union distinct
    select 'outcomes' as source, file, row, day, day_cell as value
    from stg_outcomes
)

select
    source,
    file,
    row,
    'date' as "column",
    value,
    'does not begin a week; the first row''s weeks begin on '
    || dayname(night.first_day) as problem
from cells
cross join night
where (day - night.first_day) % night.period_days <> 0
order by source, file, row
