-- stg_touches: when people were contacted before the decided day, one row per contact.
-- Reads: contacts (texts), night. A row with no touches is no contact; one without that column is.
-- Rows whose day cannot be read are taken as yesterday's: a rule is rather kept once too often.
select
    contacts.person,
    contacts.action,
    coalesce(iso_day(contacts.date), night.day - 1) as day
from contacts
cross join night
where
    contacts.person <> ''
    and coalesce(plain_amount(contacts.touches), 1) > 0
    and coalesce(iso_day(contacts.date), night.day - 1) between night.day - 366 and night.day - 1
