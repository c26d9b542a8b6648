-- touch_fault: what is wrong with contacts that contact rules rest on: per kind the first row.
-- Reads: contacts (texts, and where each row stands), withdrawn, night. All are reviews: the safe
-- side is taken, which is to contact less. What is told of a row never names the person.
with

rows as (
    select
        contacts.*,
        night.today
    from contacts
    cross join night
    left join withdrawn on contacts.person = withdrawn.person
    where withdrawn.person is null
),

faults as (
    select
        'unreadable-day' as fault,
        source_file,
        source_row,
        'date' as "column",
        date as cell,
        'is not an ISO day; taken as yesterday' as problem
    from rows
    where person <> '' and iso_day(date) is null
    union all
    select
        'future-day' as fault,
        source_file,
        source_row,
        'date' as "column",
        date as cell,
        'has not come yet; taken as yesterday' as problem
    from rows
    where person <> '' and iso_day(date) > today
    union all
    select
        'unreadable-touches' as fault,
        source_file,
        source_row,
        'touches' as "column",
        touches as cell,
        'is no number from 0 on; taken as a contact' as problem
    from rows
    where person <> '' and touches <> '' and plain_amount(touches) is null
    union all
    select
        'no-person' as fault,
        source_file,
        source_row,
        'person' as "column",
        '' as cell,
        'is empty; nobody rests for this contact' as problem
    from rows
    where person = ''
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
