-- bare_name(label): a name without its spaces and capitals, which people leave out and programs do
-- not; names that are bare alike may be one.
create or replace macro bare_name(label) as (
    lower(regexp_replace(label, '\s+', '', 'g'))
);
