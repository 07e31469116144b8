import { changeFunctions } from './sql/changes.ts'
import { exchangeFunctions } from './sql/exchange.ts'
import { insertFunctions } from './sql/insert.ts'
import { leaseFunctions } from './sql/leases.ts'
import { purgeFunctions } from './sql/purge.ts'
import { pushFunctions } from './sql/push.ts'
import { readingFunctions } from './sql/reading.ts'
import { tables } from './sql/tables.ts'
import { tallyFunctions } from './sql/tallies.ts'

/** One step of the schema. */
export interface Migration {
  /** From 1, without gaps. */
  readonly version: number
  /** What earlier versions of this package cannot work with any more; they say so and stop. */
  readonly breaks: boolean
  /** The schema is called `apalis` in it, and nothing else has that name and a dot behind it. */
  readonly sql: string
}

/** Every schema there was. A step that was published never changes; what it made stays for those who know no later one. */
export const migrations: readonly Migration[] = [
  {
    version: 1,
    breaks: false,
    sql: [
      tables,
      tallyFunctions,
      changeFunctions,
      exchangeFunctions,
      insertFunctions,
      pushFunctions,
      readingFunctions,
      leaseFunctions,
      purgeFunctions,
    ].join('\n'),
  },
]

/** SQL that speaks of the schema `apalis`, about another one. */
export function inSchema(schema: string, sql: string): string {
  return sql.replaceAll('apalis.', `"${schema}".`).replaceAll("'apalis'", `'${schema}'`)
}
