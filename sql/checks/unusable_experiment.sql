-- unusable_experiment: lift tests that say nothing of tonight's lines and days; they are left out.
-- Reads: stg_experiments, stg_spend, night. Level: review.
-- Advice: check the names of the lines and the days; a test that has become too old may stay
with

names as (
    select distinct line_1, line_2, line_3, line_4
    from stg_spend
    cross join night
    where stg_spend.day between night.first_day and night.last_day
),

unknown as (
    select
        file,
        row,
        array_to_string(
            list_filter([line_1, line_2, line_3, line_4], lambda name: name <> ''), ' / '
        ) as value
    from stg_experiments
    where not exists (
        select 1
        from names
        where
            (stg_experiments.line_1 = '' or stg_experiments.line_1 = names.line_1)
            and (stg_experiments.line_2 = '' or stg_experiments.line_2 = names.line_2)
            and (stg_experiments.line_3 = '' or stg_experiments.line_3 = names.line_3)
            and (stg_experiments.line_4 = '' or stg_experiments.line_4 = names.line_4)
    )
),

outside as (
    select
        stg_experiments.file,
        stg_experiments.row,
        case
            when stg_experiments.first_day < night.first_day then 'from' else 'to'
        end as "column",
        case
            when stg_experiments.first_day < night.first_day then stg_experiments.from_cell
            else stg_experiments.to_cell
        end as value,
        'lies outside the days of spend, '
        || night.first_day::text
        || ' to '
        || night.last_day::text as problem
    from stg_experiments
    cross join night
    where
        stg_experiments.first_day < night.first_day
        or stg_experiments.last_day > night.last_day
)

select
    'experiments' as source,
    file,
    row,
    'line' as "column",
    value,
    'names no line that has a spend row' as problem
from unknown
union all
select 'experiments' as source, file, row, "column", value, problem
from outside
order by file, row, "column"
