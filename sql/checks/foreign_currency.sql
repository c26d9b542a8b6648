-- foreign_currency: spend in another currency than the portfolio's; two are never added.
-- Reads: stg_spend, night. Level: fail.
-- Advice: convert the source to the portfolio's currency, or give the other one its own portfolio
with

used as (
    select count(*) filter (currency <> '') > 0 as is_used from stg_spend
)

select
    'spend' as source,
    file,
    row,
    'currency' as "column",
    stg_spend.currency as value,
    case
        when stg_spend.currency = '' then 'is empty'
        else 'is not the portfolio''s ' || night.currency
    end as problem
from stg_spend
cross join night
cross join used
where used.is_used and stg_spend.currency <> night.currency
order by file, row
