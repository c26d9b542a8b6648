-- exposure_fault: what is wrong with exposure rows, one row per kind of fault, with an example.
-- Reads: stg_exposures, night. Level is fail where the rows cannot be left out without a bias.
with

faults as (
    select 'unreadable day' as fault, 'fail' as level, copies, day_cell as example
    from stg_exposures
    where day is null
    union all
    select
        'unreadable number' as fault,
        'fail' as level,
        copies,
        audience || ' / ' || creative as example
    from stg_exposures
    where impressions is null or clicks is null or conversions is null or value is null
    union all
    select
        'no audience or creative' as fault,
        'fail' as level,
        copies,
        day_cell as example
    from stg_exposures
    where audience = '' or creative = ''
    union all
    select
        'day after today' as fault,
        'fail' as level,
        copies,
        day_cell as example
    from stg_exposures
    cross join night
    where day > night.today
    union all
    select
        'more clicks than impressions' as fault,
        'review' as level,
        copies,
        audience || ' / ' || creative as example
    from stg_exposures
    where clicks > impressions
    union all
    select
        'repeated row, counted once' as fault,
        'review' as level,
        copies - 1 as copies,
        audience || ' / ' || creative as example
    from stg_exposures
    where has_impressions and copies > 1
)

select
    fault,
    level,
    sum(copies)::bigint as source_rows,
    min(example) as example
from faults
group by fault, level
order by level, fault
