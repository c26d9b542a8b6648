-- unreadable_number: cells that must be a plain number and are not, or lie outside every account.
-- Reads: spend, outcomes (the snapshot, all text). Level: fail.
-- Advice: write numbers plainly: digits, a point, no thousands mark, no unit
with

cells as (
    select 'spend' as source, file, row, 'spend' as "column", spend as value, true as is_needed
    from spend
    union all
    select 'spend' as source, file, row, 'budget' as "column", budget as value, false as is_needed
    from spend
    union all
    select
        'spend' as source, file, row, 'impressions' as "column", impressions as value,
        false as is_needed
    from spend
    union all
    select 'spend' as source, file, row, 'clicks' as "column", clicks as value, false as is_needed
    from spend
    union all
    select 'outcomes' as source, file, row, metric as "column", value, true as is_needed
    from outcomes
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
where
    (value = '' and is_needed)
    or (value <> '' and (plain_number(value) is null or plain_number(value) not between 0 and 1e15))
order by source, file, row, "column"
