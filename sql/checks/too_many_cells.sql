-- too_many_cells: more days times lines than any portfolio has; an id has been taken for a line.
-- Reads: stg_spend, night. Level: fail.
-- Advice: choose columns for the line that name what gets a budget, not every click or user
with

names as (
    select
        min(file) as file,
        min(row) as row,
        any_value(night.last_day - night.first_day + 1) as days
    from stg_spend
    cross join night
    where stg_spend.day between night.first_day and night.last_day
    group by line_1, line_2, line_3, line_4
),

counted as (
    select
        min(file) as file,
        min(row) as row,
        count(*) as lines,
        any_value(days) as days
    from names
)

select
    'spend' as source,
    file,
    row,
    'line' as "column",
    lines::text as value,
    'lines over ' || days || ' days are more than ' || 5000000 || ' cells' as problem
from counted
where lines * days > 5000000
