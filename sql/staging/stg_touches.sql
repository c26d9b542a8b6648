-- stg_touches: when people were contacted before the decided day, one row per contact.
-- Reads: contacts (texts), night. A row with no touches is no contact; one without that column is.
-- Rows whose day cannot be read or has not come yet are taken as yesterday's: a rule is rather kept
-- once too often.
with

told as (
    select
        contacts.person,
        contacts.action,
        contacts.touches,
        night.day as decided,
        case
            when coalesce(iso_day(contacts.date) > night.today, true) then night.day - 1
            else iso_day(contacts.date)
        end as day
    from contacts
    cross join night
)

select
    person,
    action,
    day
from told
where
    person <> ''
    and coalesce(plain_amount(touches), 1) > 0
    and day between decided - 366 and decided - 1
