-- iso_day(cell): the day that a text is, or null. ISO only, so 01/02/2026 is nobody's guess;
-- midnight may follow, which is how databases write a day that is kept as a timestamp.
create or replace macro iso_day(cell) as (
    case
        when regexp_full_match(cell, '[0-9]{4}-[0-9]{2}-[0-9]{2}([ T]00:00:00([.]0+)?)?')
            then try_cast(cell[1:10] as date)
    end
);
