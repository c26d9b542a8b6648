-- unreadable_number: cells that must be a plain number and are not, or lie outside every account.
-- Reads: stg_spend, stg_outcomes. Level: fail.
-- Advice: write digits and a point, no unit, none below zero: profit before the spend on ads
with

cells as (
    select 'spend' as source, file, row, 'spend' as "column", spend_cell as value
    from stg_spend
    where spend is null
    union all
    select
        'spend' as source, file, row, 'budget' as "column", budget_cell as value
    from stg_spend
    where budget_cell <> '' and budget is null
    union all
    select
        'spend' as source,
        file,
        row,
        'impressions' as "column",
        impressions_cell as value
    from stg_spend
    where impressions_cell <> '' and impressions is null
    union all
    select
        'spend' as source, file, row, 'clicks' as "column", clicks_cell as value
    from stg_spend
    where clicks_cell <> '' and clicks is null
    union all
    select
        'outcomes' as source, file, row, metric as "column", value_cell as value
    from stg_outcomes
    where value is null
)

select
    source,
    file,
    row,
    "column",
    value,
    case
        when value = '' then 'is empty'
        when plain_number(value) is null then 'is not a plain number'
        when plain_number(value) < 0 then 'is negative'
        else 'is beyond any account'
    end as problem
from cells
order by source, file, row, "column"
