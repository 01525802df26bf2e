// One supabase-js client for whoever writes to standard input. A line is a chain of calls as JSON, such as
// [["from", "notes"], ["select", "*"]] or [["auth"], ["signOut"]]; the answer is a line with what the chain gave.
import readline from "node:readline"
import { createClient } from "@supabase/supabase-js"

const client = createClient(process.env.SUPABASE_URL, process.env.SUPABASE_KEY, { auth: { autoRefreshToken: false } })

for await (const line of readline.createInterface({ input: process.stdin })) {
  let value = client
  for (const [name, ...given] of JSON.parse(line)) {
    value = typeof value[name] === "function" ? value[name](...given) : value[name]
  }
  const { data, error } = await value
  const problem = error && { status: error.status, code: error.code, message: error.message }
  console.log(JSON.stringify({ data, error: problem }))
}
