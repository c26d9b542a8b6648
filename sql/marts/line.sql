-- line: every budget line that had a spend row before the plan's day, numbered in order of name.
-- Reads: stg_spend, night. The night's first and last day count.
select
    row_number() over (order by line_1, line_2, line_3, line_4) - 1 as line_id,
    line_1,
    line_2,
    line_3,
    line_4
from stg_spend
cross join night
where stg_spend.day between night.first_day and night.last_day
group by line_1, line_2, line_3, line_4
order by line_id
