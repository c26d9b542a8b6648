-- customer_fault: what is wrong with rows of customers: per kind of fault the first row.
-- Reads: customers (texts, and where each row stands), withdrawn, offer_action. All are reviews:
-- the safe side is taken, which is to do less. What is told of a row never names the person.
with

rows as (
    select customers.*
    from customers
    left join withdrawn on customers.person = withdrawn.person
    where withdrawn.person is null
),

known as (
    select list(distinct channel) as channels
    from offer_action
    where not is_nothing
),

said as (
    select
        source_file,
        source_row,
        unnest(string_split(consent, '|')) as channel
    from rows
    where lower(trim(consent)) not in ('', 'true', '1', 'false', '0', 'none', 'no')
),

first_rows as (
    select
        person,
        min({'file': source_file, 'row': source_row}) as place,
        count(distinct segment) as segments,
        count(distinct consent) as consents,
        count(*) as times
    from rows
    where person <> ''
    group by person
),

repeated as (
    select
        rows.source_file,
        rows.source_row,
        first_rows.segments,
        first_rows.consents,
        'the person of ' || first_rows.place.file || ', row ' || first_rows.place.row as whose
    from rows
    inner join first_rows on rows.person = first_rows.person
    where
        first_rows.times > 1
        and {'file': rows.source_file, 'row': rows.source_row} <> first_rows.place
),

faults as (
    select
        'no-name' as fault,
        source_file,
        source_row,
        case when person = '' then 'person' else 'segment' end as "column",
        case when person = '' then '' else segment end as cell,
        'is no name; such people get nothing' as problem
    from rows
    where person = '' or no_name(segment)
    union all
    select
        'unknown-channel' as fault,
        source_file,
        source_row,
        'consent' as "column",
        channel as cell,
        'is no channel of offers.actions ('
        || array_to_string(list_sort(channels), ', ') || '), so it allows nothing' as problem
    from said
    cross join known
    where not list_contains(known.channels, trim(channel))
    union all
    select
        'conflicting-person' as fault,
        source_file,
        source_row,
        case when segments > 1 then 'segment' else 'consent' end as "column",
        '' as cell,
        'says otherwise than ' || whose || case
            when segments > 1 then '; of the segments the first by name is taken'
            else '; only what every row allows is allowed'
        end as problem
    from repeated
    where segments > 1 or consents > 1
    union all
    select
        'repeated-person' as fault,
        source_file,
        source_row,
        'person' as "column",
        '' as cell,
        'is ' || whose || ' again; taken once' as problem
    from repeated
    where segments = 1 and consents = 1
)

select
    fault,
    'review' as level,
    count(*) as source_rows,
    arg_min(source_file, {'file': source_file, 'row': source_row}) as source_file,
    arg_min(source_row, {'file': source_file, 'row': source_row}) as source_row,
    "column",
    arg_min(cell, {'file': source_file, 'row': source_row}) as cell,
    arg_min(problem, {'file': source_file, 'row': source_row}) as problem
from faults
group by fault, "column"
order by fault, "column"
