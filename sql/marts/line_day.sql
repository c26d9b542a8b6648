-- line_day: spend, one row per (day, line), lines in order and days in order within each.
-- Reads: stg_spend, line, part, night. The night's first and last day count. A row that spans
-- several days is shared out evenly over them.
-- Days without a row are rows with zero spend, not gaps: carry-over needs an unbroken calendar.
-- Sums run in order of size, so that the order of the source's rows cannot move the last bit.
with

days as (
    select unnest(generate_series(first_day, last_day, interval 1 day))::date as day
    from night
),

spent as (
    select
        stg_spend.day + part.number as day,
        line_1,
        line_2,
        line_3,
        line_4,
        sum(spend / period_days order by spend) as spend,
        -- a budget that is repeated on every part of a line is one budget
        case
            when min(budget) = max(budget) then max(budget / period_days)
            else sum(budget / period_days order by budget)
        end as budget,
        sum(impressions / period_days order by impressions) as impressions,
        sum(clicks / period_days order by clicks) as clicks
    from stg_spend
    cross join part
    cross join night
    where stg_spend.day is not null and not is_repeat
    group by stg_spend.day + part.number, line_1, line_2, line_3, line_4
)

select
    days.day,
    line.line_id,
    coalesce(spent.spend, 0) as spend,        -- account currency
    spent.day is not null as has_spend_row,
    spent.budget,                             -- what was set; null where nobody says
    spent.impressions,
    spent.clicks
from line
cross join days
left join spent using (day, line_1, line_2, line_3, line_4)
order by line.line_id, days.day
