-- unreadable_experiment: cells of a lift test that are no evidence. Reads: stg_experiments.
-- Level: fail.
-- Advice: mend the row or take it out; docs/portfolio.md says what each column holds
with

cells as (
    select
        file,
        row,
        'from' as "column",
        from_cell as value,
        'is not an ISO day' as problem
    from stg_experiments
    where first_day is null
    union all
    select file, row, 'to' as "column", to_cell as value, 'is not an ISO day' as problem
    from stg_experiments
    where last_day is null
    union all
    select
        file,
        row,
        'to' as "column",
        to_cell as value,
        'lies before the first day, ' || first_day::text as problem
    from stg_experiments
    where last_day < first_day
    union all
    select
        file,
        row,
        'lift' as "column",
        lift_cell as value,
        'is not a plain number' as problem
    from stg_experiments
    where lift is null
    union all
    select
        file,
        row,
        'standard_error' as "column",
        standard_error_cell as value,
        case
            when standard_error is null then 'is not a plain number'
            else 'is not above zero; a measurement without error does not exist'
        end as problem
    from stg_experiments
    where standard_error is null or standard_error <= 0
    union all
    select
        file,
        row,
        'spend_change' as "column",
        spend_change_cell as value,
        case
            when spend_change is null then 'is neither a plain number nor the word all'
            else 'moved no money, so it says nothing of what money does'
        end as problem
    from stg_experiments
    where not is_all_spend and (spend_change is null or spend_change = 0)
)

select 'experiments' as source, file, row, "column", value, problem
from cells
order by file, row, "column"
