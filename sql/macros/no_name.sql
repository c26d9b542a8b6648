-- no_name(cell): whether a text names nothing: empty, what programs write where nothing was, more
-- than 200 characters, or with characters that nobody sees (controls, marks that turn the text).
create or replace macro no_name(cell) as (
    lower(trim(cell)) in ('', 'nan', 'null', 'nat', '<na>', '#n/a')
    or length(cell) > 200
    or regexp_matches(cell, '[\p{Cc}\x{202A}-\x{202E}\x{2066}-\x{2069}]')
);
