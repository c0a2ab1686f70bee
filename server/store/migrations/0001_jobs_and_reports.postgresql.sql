-- SQLite's backend has a function of this name in C.
CREATE FUNCTION stability_now() RETURNS DOUBLE PRECISION LANGUAGE sql VOLATILE AS
    'SELECT extract(epoch FROM clock_timestamp())::double precision';
