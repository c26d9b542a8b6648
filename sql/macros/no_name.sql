-- no_name(cell): whether a name is missing: empty, or what programs write where nothing was.
create or replace macro no_name(cell) as (
    lower(trim(cell)) in ('', 'nan', 'null', 'nat', '<na>', '#n/a')
);
