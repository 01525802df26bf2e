// What PostgREST answers at its root: OpenAPI 2.0 of what the role may use in one schema.
import { sql } from "kysely";

const FORMATS = {
  integer: "integer",
  bigint: "integer",
  smallint: "integer",
  numeric: "number",
  real: "number",
  "double precision": "number",
  boolean: "boolean",
};

const relations = (schema) => sql`
  select
    c.relname as name,
    obj_description(c.oid, 'pg_class') as description,
    has_table_privilege(c.oid, 'select') or has_any_column_privilege(c.oid, 'select') as can_read,
    has_any_column_privilege(c.oid, 'insert') as can_insert,
    has_any_column_privilege(c.oid, 'update') as can_update,
    has_table_privilege(c.oid, 'delete') as can_delete,
    coalesce(
      (
        select json_agg(
          json_build_object(
            'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'element', t.typelem <> 0 and t.typcategory = 'A',
            'required', a.attnotnull and not a.atthasdef and a.attidentity = '',
            'description', col_description(c.oid, a.attnum),
            'default', pg_get_expr(d.adbin, d.adrelid),
            'key', exists (select from pg_index as i where i.indrelid = c.oid and i.indisprimary and a.attnum = any (i.indkey))
          ) order by a.attnum
        )
        from pg_attribute as a
        join pg_type as t on t.oid = a.atttypid
        left join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      ),
      '[]'
    ) as columns
  from pg_class as c
  join pg_namespace as n on n.oid = c.relnamespace
  where n.nspname = ${schema} and c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition
    and has_schema_privilege(n.oid, 'usage')
    and (has_table_privilege(c.oid, 'select, insert, update, delete') or has_any_column_privilege(c.oid, 'select, insert, update'))
  order by c.relname
`;

const functions = (schema) => sql`
  select
    p.proname as name,
    obj_description(p.oid, 'pg_proc') as description,
    p.provolatile <> 'v' as reads,
    coalesce(
      (
        select json_agg(
          json_build_object('name', p.proargnames[i], 'type', format_type(p.proargtypes[i - 1], null), 'required', i <= p.pronargs - p.pronargdefaults)
          order by i
        )
        from generate_series(1, p.pronargs) as i
      ),
      '[]'
    ) as arguments
  from pg_proc as p
  join pg_namespace as n on n.oid = p.pronamespace
  where n.nspname = ${schema} and p.prokind = 'f' and has_function_privilege(p.oid, 'execute')
    and p.prorettype <> all (array['trigger', 'event_trigger']::regtype[])
    and not exists (select from pg_depend as d where d.objid = p.oid and d.deptype = 'e')
  order by p.proname
`;

function property({ type, description, default: fallback, key }) {
  const array = type.endsWith("[]");
  return {
    ...(fallback == null ? {} : { default: fallback }),
    ...(description || key
      ? { description: [description, key ? "Note:\nThis is a Primary Key.<pk/>" : null].filter(Boolean).join("\n\n") }
      : {}),
    format: type,
    type: array ? "array" : (FORMATS[type] ?? (type.startsWith("json") ? undefined : "string")),
    ...(array ? { items: { type: FORMATS[type.slice(0, -2)] ?? "string" } } : {}),
  };
}

function definition({ columns, description }) {
  return {
    ...(description ? { description } : {}),
    required: columns.filter((column) => column.required).map((column) => column.name),
    properties: Object.fromEntries(columns.map((column) => [column.name, property(column)])),
    type: "object",
  };
}

function operations(table) {
  const tags = [table.name];
  const filters = table.columns.map(({ name }) => ({ $ref: `#/parameters/rowFilter.${table.name}.${name}` }));
  const body = { $ref: `#/parameters/body.${table.name}` };
  const rows = { description: "OK", schema: { type: "array", items: { $ref: `#/definitions/${table.name}` } } };
  const shared = table.description ? { tags, summary: table.description } : { tags };
  return {
    ...(table.can_read && {
      get: { ...shared, parameters: filters, responses: { 200: rows, 206: { description: "Partial Content" } } },
    }),
    ...(table.can_insert && {
      post: { ...shared, parameters: [body], responses: { 201: { description: "Created" } } },
    }),
    ...(table.can_delete && {
      delete: { ...shared, parameters: filters, responses: { 204: { description: "No Content" } } },
    }),
    ...(table.can_update && {
      patch: { ...shared, parameters: [...filters, body], responses: { 204: { description: "No Content" } } },
    }),
  };
}

function call({ name, description, reads, arguments: taken }) {
  const shared = {
    tags: [`(rpc) ${name}`],
    ...(description ? { summary: description } : {}),
    produces: ["application/json"],
    responses: { 200: { description: "OK" } },
  };
  const schema = {
    type: "object",
    required: taken.filter((argument) => argument.required).map((argument) => argument.name),
    properties: Object.fromEntries(taken.map((argument) => [argument.name, property(argument)])),
  };
  const query = taken.map((argument) => ({
    in: "query",
    name: argument.name,
    required: argument.required,
    type: "string",
    format: argument.type,
  }));
  return {
    ...(reads && { get: { ...shared, parameters: query } }),
    post: { ...shared, parameters: [{ in: "body", name: "args", required: true, schema }] },
  };
}

export async function openapi(session, { schema, proxy }) {
  const tables = (await relations(schema).execute(session)).rows;
  const callable = (await functions(schema).execute(session)).rows;
  const at = proxy ? new URL(proxy) : null;
  return {
    swagger: "2.0",
    info: { title: `${schema} schema`, description: "", version: "14.17 (stand-in)" },
    ...(at ? { host: at.host, basePath: at.pathname, schemes: [at.protocol.slice(0, -1)] } : { basePath: "/" }),
    consumes: ["application/json", "text/csv"],
    produces: ["application/json", "text/csv"],
    paths: {
      "/": {
        get: {
          tags: ["Introspection"],
          summary: "OpenAPI description (this document)",
          produces: ["application/openapi+json"],
          responses: { 200: { description: "OK" } },
        },
      },
      ...Object.fromEntries(tables.map((table) => [`/${table.name}`, operations(table)])),
      ...Object.fromEntries(callable.map((entry) => [`/rpc/${entry.name}`, call(entry)])),
    },
    definitions: Object.fromEntries(tables.map((table) => [table.name, definition(table)])),
    parameters: Object.fromEntries(
      tables.flatMap((table) => [
        [
          `body.${table.name}`,
          { in: "body", name: table.name, required: false, schema: { $ref: `#/definitions/${table.name}` } },
        ],
        ...table.columns.map(({ name, type }) => [
          `rowFilter.${table.name}.${name}`,
          { in: "query", name, required: false, type: "string", format: type },
        ]),
      ]),
    ),
  };
}
