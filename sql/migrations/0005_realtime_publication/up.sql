-- Tables are added to it one by one: an empty publication broadcasts nothing.
create publication supabase_realtime;
