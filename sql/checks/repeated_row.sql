-- repeated_row: rows that are equal to an earlier one in every cell; they are counted once.
-- Reads: stg_spend, stg_outcomes, night. Level: fail where the repeated part of a column's total is
-- material or no text column tells rows of one day and line apart, else review for four weeks.
-- Advice: write each row once
with

repeats as (
    select 'spend' as source, file, row, day, 'spend' as "column", spend_cell as value
    from stg_spend
    where is_repeat
    union all
    select 'outcomes' as source, file, row, day, metric as "column", value_cell as value
    from stg_outcomes
    where is_repeat
),

totals as (
    select
        'spend' as source,
        'spend' as "column",
        coalesce(sum(spend) filter (is_repeat), 0) as repeated,
        sum(spend) as total,
        max(dimensions) as widest
    from stg_spend
    union all
    select
        'outcomes' as source,
        metric as "column",
        coalesce(sum(value) filter (is_repeat), 0) as repeated,
        sum(value) as total,
        max(dimensions) as widest
    from stg_outcomes
    group by metric
)

select
    repeats.source,
    repeats.file,
    repeats.row,
    repeats."column",
    repeats.value,
    'repeats an earlier row' as problem,
    case
        when totals.widest = '' or totals.repeated > 0.001 * totals.total then 'fail'
        when repeats.day >= night.plan_day - 28 then 'review'
        else 'pass'
    end as level
from repeats
cross join night
inner join totals on repeats.source = totals.source and repeats."column" = totals."column"
order by repeats.source, repeats.file, repeats.row, repeats."column"
