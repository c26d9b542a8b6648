-- foreign_currency: money in another currency than the portfolio's; two are never added.
-- Reads: stg_spend, stg_outcomes, stg_experiments, night. Level: fail.
-- Advice: convert the source to the portfolio's currency, or give the other one its own portfolio
with

cells as (
    select 'spend' as source, file, row, currency from stg_spend
    union all
    select distinct 'outcomes' as source, file, row, currency from stg_outcomes
    union all
    select 'experiments' as source, file, row, currency from stg_experiments
),

used as (
    select source from cells
    group by source
    having max(currency) <> ''
)

select
    cells.source,
    cells.file,
    cells.row,
    'currency' as "column",
    cells.currency as value,
    case
        when cells.currency = '' then 'is empty'
        else 'is not the portfolio''s ' || night.currency
    end as problem
from cells
inner join used using (source)
cross join night
where cells.currency <> night.currency
order by cells.source, cells.file, cells.row
