-- stg_contacts: contact rows with types, one row per distinct source row, each cell beside it
-- and where the first of its kind stood.
-- Reads: contacts (the snapshot: texts, and in how many source rows they stood). A source without
-- a column of persons has one person and day per row. A cell that cannot be read is null here.
-- No dose means that nobody drew one; the dose is then -1.
select
    source_file,
    source_row,
    copies,
    has_persons,
    date as day_cell,
    iso_day(date) as day,
    line_1,
    line_2,
    line_3,
    line_4,
    dose as dose_cell,
    case
        when dose = '' then -1
        when plain_amount(dose) <= 21 and plain_amount(dose) = floor(plain_amount(dose))
            then plain_amount(dose)::integer
    end as dose,
    bucket,
    persons as persons_cell,
    touches as touches_cell,
    must_send as must_send_cell,
    conversions as conversions_cell,
    value as value_cell,
    leavers as leavers_cell,
    case when has_persons then plain_amount(persons) else 1 end as persons,
    coalesce(plain_amount(nullif(touches, '')), case when touches = '' then 0 end) as touches,
    coalesce(plain_amount(nullif(must_send, '')), case when must_send = '' then 0 end)
        as must_send,
    coalesce(plain_amount(nullif(conversions, '')), case when conversions = '' then 0 end)
        as conversions,
    coalesce(plain_amount(nullif(value, '')), case when value = '' then 0 end) as value,
    coalesce(plain_amount(nullif(leavers, '')), case when leavers = '' then 0 end) as leavers,
    case when has_persons then 1 else copies end as times
from contacts
