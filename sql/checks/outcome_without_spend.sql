-- outcome_without_spend: lines that earn and never had a spend row; the model cannot place what
-- they earn. Reads: stg_outcomes, stg_spend, night. Level: fail where the name is a spend line's
-- but for capitals or spaces and such names have more than a hundredth of the newest week: that
-- line would seem to earn nothing. Else review.
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

meant as (
    select
        bare_name(concat_ws('/', line_1, line_2, line_3, line_4)) as bare,
        min(
            array_to_string(
                list_filter([line_1, line_2, line_3, line_4], lambda name: name <> ''), ' / '
            )
        ) as label
    from names
    group by bare
),

earned as (
    select
        line_1,
        line_2,
        line_3,
        line_4,
        metric,
        min(file) as file,
        min(row) as row,
        sum(value order by value) as total,
        coalesce(
            sum(value order by value) filter (stg_outcomes.day > night.last_day - 7), 0
        ) as recent
    from stg_outcomes
    cross join night
    where stg_outcomes.day <= night.last_day and not stg_outcomes.is_repeat
    group by line_1, line_2, line_3, line_4, metric
),

newest_week as (
    select
        metric,
        sum(recent order by recent) as recent
    from earned
    group by metric
),

unknown as (
    select
        earned.*,
        meant.label as meant
    from earned
    anti join names using (line_1, line_2, line_3, line_4)
    left join meant
        on
            bare_name(concat_ws('/', earned.line_1, earned.line_2, earned.line_3, earned.line_4))
            = meant.bare
    where earned.total > 0
),

misspelt as (
    select
        metric,
        sum(recent order by recent) as recent
    from unknown
    where meant is not null
    group by metric
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
    'has ' || round(unknown.total, 2) || ' and no spend row'
    || coalesce('; spend writes it ''' || unknown.meant || '''', '') as problem,
    case
        when
            unknown.meant is not null
            and misspelt.recent > 0
            and misspelt.recent > 0.01 * newest_week.recent
            then 'fail'
        else 'review'
    end as level
from unknown
inner join newest_week on unknown.metric = newest_week.metric
left join misspelt on unknown.metric = misspelt.metric
order by unknown.file, unknown.row, unknown.metric
