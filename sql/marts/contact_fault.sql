-- contact_fault: what is wrong with contact rows, one row per kind of fault, with an example.
-- Reads: stg_contacts, night, segment_day, segment_column. Level is fail where the rows cannot be
-- left out without a bias, or where a total has jumped so that its unit must have changed.
with

faults as (
    select 'unreadable day' as fault, 'fail' as level, copies, day_cell as example
    from stg_contacts
    where day is null
    union all
    select
        'unreadable number' as fault,
        'fail' as level,
        copies,
        line_1 as example
    from stg_contacts
    where
        persons is null or touches is null or must_send is null
        or conversions is null or value is null or leavers is null
    union all
    select
        'no name of a segment' as fault,
        'fail' as level,
        copies,
        day_cell as example
    from stg_contacts
    cross join segment_column
    where
        line_1 = ''
        or (number >= 2 and line_2 = '')
        or (number >= 3 and line_3 = '')
        or (number >= 4 and line_4 = '')
    union all
    select
        'dose that is no whole number from 0 to 21' as fault,
        'fail' as level,
        copies,
        dose_cell as example
    from stg_contacts
    where dose is null
    union all
    select
        'day after today' as fault,
        'fail' as level,
        copies,
        day_cell as example
    from stg_contacts
    cross join night
    where day > night.today
    union all
    select
        'more people leave than there are' as fault,
        'fail' as level,
        copies,
        line_1 as example
    from stg_contacts
    where leavers > persons
    union all
    select
        'touches without people' as fault,
        'review' as level,
        copies,
        line_1 as example
    from stg_contacts
    where persons = 0 and touches > 0
    union all
    select
        'repeated row, counted once' as fault,
        'review' as level,
        copies - 1 as copies,
        line_1 as example
    from stg_contacts
    where has_persons and copies > 1
),

totals as (
    select
        day,
        sum(persons) as persons,
        sum(value) as value,
        sum(conversions) as conversions
    from segment_day
    group by day
),

spans as (
    select
        count(*) filter (where day > last_day - 7) as newest_days,
        count(*) filter (where day <= last_day - 7) as usual_days,
        avg(persons) filter (where day = last_day) as newest_persons,
        median(persons) filter (where day between last_day - 35 and last_day - 7) as usual_persons,
        avg(value) filter (where day > last_day - 7) as newest_value,
        median(value) filter (where day between last_day - 63 and last_day - 7) as usual_value,
        avg(conversions) filter (where day > last_day - 7) as newest_conversions,
        median(conversions) filter (where day between last_day - 63 and last_day - 7)
            as usual_conversions
    from totals
    cross join night
),

jumps as (
    select
        'half of the people or fewer, or twice as many, since a day' as fault,
        newest_persons as newest,
        usual_persons as usual,
        2.0 as times
    from spans
    where usual_days >= 14
    union all
    select
        'value of the last week far from the usual' as fault,
        newest_value as newest,
        usual_value as usual,
        4.0 as times
    from spans
    where usual_days >= 14 and newest_days >= 4
    union all
    select
        'conversions of the last week far from the usual' as fault,
        newest_conversions as newest,
        usual_conversions as usual,
        4.0 as times
    from spans
    where usual_days >= 14 and newest_days >= 4
),

jumped as (
    select
        fault,
        'fail' as level,
        1 as copies,
        round(newest, 1) || ' against ' || round(usual, 1) as example
    from jumps
    where usual > 0 and newest is not null and not newest between usual / times and usual * times
),

found as (
    select * from faults
    union all
    select * from jumped
)

select
    fault,
    level,
    sum(copies)::bigint as source_rows,
    min(example) as example
from found
group by fault, level
order by level, fault
