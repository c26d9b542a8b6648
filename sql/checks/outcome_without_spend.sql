-- outcome_without_spend: lines that earn and never had a spend row; the model cannot place what
-- they earn. Reads: stg_outcomes, stg_spend, night. Level: review.
-- Advice: check the spelling of the line in both sources; outcomes that nobody paid for may stay
with

names as (
    select distinct
        case when night.by_1 then line_1 else '' end as line_1,
        case when night.by_2 then line_2 else '' end as line_2,
        case when night.by_3 then line_3 else '' end as line_3,
        case when night.by_4 then line_4 else '' end as line_4
    from stg_spend
    cross join night
),

unknown as (
    select
        line_1,
        line_2,
        line_3,
        line_4,
        metric,
        min(file) as file,
        min(row) as row,
        sum(value order by value) as total
    from stg_outcomes
    cross join night
    where stg_outcomes.day <= night.last_day and not stg_outcomes.is_repeat
    group by line_1, line_2, line_3, line_4, metric
)

select
    'outcomes' as source,
    unknown.file,
    unknown.row,
    unknown.metric as "column",
    array_to_string(
        list_filter(
            [unknown.line_1, unknown.line_2, unknown.line_3, unknown.line_4],
            lambda name: name <> ''
        ),
        ' / '
    ) as value,
    'has ' || round(unknown.total, 2) || ' and no spend row' as problem
from unknown
anti join names using (line_1, line_2, line_3, line_4)
where unknown.total > 0
order by unknown.file, unknown.row, unknown.metric
