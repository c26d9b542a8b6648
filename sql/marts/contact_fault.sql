-- contact_fault: what is wrong with contact rows: per kind of fault and column its first row.
-- Reads: stg_contacts, night, segment_day, segment_column. Level is fail where the rows cannot be
-- left out without a bias, or where a total has jumped so that its unit must have changed.
with

broken as (
    select *
    from stg_contacts
    where
        persons is null or touches is null or must_send is null
        or conversions is null or value is null or leavers is null
),

numbers as (
    select
        source_file,
        source_row,
        copies,
        unnest([
            {'name': 'persons', 'cell': persons_cell, 'is_read': persons is not null},
            {'name': 'touches', 'cell': touches_cell, 'is_read': touches is not null},
            {'name': 'must_send', 'cell': must_send_cell, 'is_read': must_send is not null},
            {'name': 'conversions', 'cell': conversions_cell, 'is_read': conversions is not null},
            {'name': 'value', 'cell': value_cell, 'is_read': value is not null},
            {'name': 'leavers', 'cell': leavers_cell, 'is_read': leavers is not null}
        ]) as item
    from broken
),

nameless as (
    select
        stg_contacts.*,
        case
            when no_name(line_1) then 1
            when number >= 2 and no_name(line_2) then 2
            when number >= 3 and no_name(line_3) then 3
            when number >= 4 and no_name(line_4) then 4
        end as level_number
    from stg_contacts
    cross join segment_column
),

faults as (
    select
        'unreadable-day' as fault,
        'fail' as level,
        copies,
        source_file,
        source_row,
        'date' as "column",
        day_cell as cell,
        case when day_cell = '' then 'is empty' else 'is not an ISO day' end as problem
    from stg_contacts
    where day is null
    union all
    select
        'unreadable-number' as fault,
        'fail' as level,
        copies,
        source_file,
        source_row,
        item.name as "column",
        item.cell,
        case
            when item.cell = '' then 'is empty'
            when plain_number(item.cell) is null then 'is not a plain number'
            when plain_number(item.cell) < 0 then 'is negative'
            else 'is beyond any count'
        end as problem
    from numbers
    where not item.is_read
    union all
    select
        'no-name' as fault,
        'fail' as level,
        copies,
        source_file,
        source_row,
        'line_' || level_number as "column",
        [line_1, line_2, line_3, line_4][level_number] as cell,
        'is no name' as problem
    from nameless
    where level_number is not null
    union all
    select
        'unreadable-dose' as fault,
        'fail' as level,
        copies,
        source_file,
        source_row,
        'dose' as "column",
        dose_cell as cell,
        'is no whole number from 0 to 21' as problem
    from stg_contacts
    where dose is null
    union all
    select
        'future-day' as fault,
        'fail' as level,
        copies,
        source_file,
        source_row,
        'date' as "column",
        day_cell as cell,
        'has not come yet' as problem
    from stg_contacts
    cross join night
    where day > night.today
    union all
    select
        'leavers-above-persons' as fault,
        'fail' as level,
        copies,
        source_file,
        source_row,
        'leavers' as "column",
        leavers_cell as cell,
        'is above the ' || case when has_persons then persons_cell else '1' end
        || ' persons' as problem
    from stg_contacts
    where leavers > persons
    union all
    select
        'touches-without-people' as fault,
        'review' as level,
        copies,
        source_file,
        source_row,
        'touches' as "column",
        touches_cell as cell,
        'went to nobody: persons is 0' as problem
    from stg_contacts
    where persons = 0 and touches > 0
    union all
    select
        'repeated-row' as fault,
        'review' as level,
        copies - 1 as copies,
        source_file,
        source_row,
        '' as "column",
        line_1 as cell,
        'stands there again, cell for cell; counted once' as problem
    from stg_contacts
    where has_persons and copies > 1
),

totals as (
    select
        day,
        sum(persons) as persons,
        sum(value) as value,
        sum(conversions) as conversions,
        sum(must_send) as must_send
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
            as usual_conversions,
        avg(must_send) filter (where day > last_day - 7) as newest_must_send,
        avg(must_send) filter (where day between last_day - 35 and last_day - 7)
            as usual_must_send
    from totals
    cross join night
),

jumps as (
    select
        'people-jumped' as fault,
        'fail' as level,
        'persons' as "column",
        'on the newest day' as what,
        newest_persons as newest,
        usual_persons as usual,
        2.0 as times
    from spans
    where usual_days >= 14
    union all
    select
        'value-jumped' as fault,
        'fail' as level,
        'value' as "column",
        'a day in the last week' as what,
        newest_value as newest,
        usual_value as usual,
        4.0 as times
    from spans
    where usual_days >= 14 and newest_days >= 4
    union all
    select
        'conversions-jumped' as fault,
        'fail' as level,
        'conversions' as "column",
        'a day in the last week' as what,
        newest_conversions as newest,
        usual_conversions as usual,
        4.0 as times
    from spans
    where usual_days >= 14 and newest_days >= 4
    union all
    select
        'must-send-jumped' as fault,
        'review' as level,  -- a notice to everybody is no fault, and takes touches all the same
        'must_send' as "column",
        'a day in the last week' as what,
        newest_must_send as newest,
        usual_must_send as usual,
        4.0 as times
    from spans
    where usual_days >= 14 and newest_must_send > usual_must_send
),

jumped as (
    select
        fault,
        level,
        1 as copies,
        '' as source_file,
        0 as source_row,
        "column",
        round(newest, 1)::text as cell,
        what || ', against ' || round(usual, 1)
        || ' as usual; the unit or the extract '
        || case when level = 'fail' then 'must' else 'may' end || ' have changed' as problem
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
    arg_min(source_file, {'file': source_file, 'row': source_row}) as source_file,
    arg_min(source_row, {'file': source_file, 'row': source_row}) as source_row,
    "column",
    arg_min(cell, {'file': source_file, 'row': source_row}) as cell,
    arg_min(problem, {'file': source_file, 'row': source_row}) as problem
from found
group by fault, level, "column"
order by level, fault, "column"
