-- unreadable_number: cells that must be a plain number and are not, or lie outside every account.
-- Reads: stg_spend, stg_outcomes. Level: fail.
-- Advice: write numbers plainly: digits, a point, no thousands mark, no unit
with

cells as (
    select 'spend' as source, file, row, 'spend' as "column", spend as number, spend_cell as value
    from stg_spend
    where spend is null or spend not between 0 and 1e15
    union all
    select
        'spend' as source, file, row, 'budget' as "column", budget as number, budget_cell as value
    from stg_spend
    where budget_cell <> '' and (budget is null or budget not between 0 and 1e15)
    union all
    select
        'spend' as source,
        file,
        row,
        'impressions' as "column",
        impressions as number,
        impressions_cell as value
    from stg_spend
    where impressions_cell <> '' and (impressions is null or impressions not between 0 and 1e15)
    union all
    select
        'spend' as source, file, row, 'clicks' as "column", clicks as number, clicks_cell as value
    from stg_spend
    where clicks_cell <> '' and (clicks is null or clicks not between 0 and 1e15)
    union all
    select
        'outcomes' as source, file, row, metric as "column", value as number, value_cell as value
    from stg_outcomes
    where value is null or value not between 0 and 1e15
)

select
    source,
    file,
    row,
    "column",
    value,
    case
        when value = '' then 'is empty'
        when number is null then 'is not a plain number'
        when number < 0 then 'is negative'
        else 'is beyond any account'
    end as problem
from cells
order by source, file, row, "column"
