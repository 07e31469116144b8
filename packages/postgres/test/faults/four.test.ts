// Two minutes of it, or nothing: `npm run test:long`.
import { test } from 'node:test'
import { long } from '../support/long.ts'
import { findOwnPostgres } from '../support/server.ts'
import { openFourServer, runFour } from './support/four.ts'

const { missing: skip } = findOwnPostgres()

if (long) {
  test(
    'four processes at full load: nobody hears of a deadlock, and each was tried again',
    { skip },
    async (t) => {
      await using server = await openFourServer()
      const { runs, calls, conflicts } = await runFour(server, 120_000)
      t.diagnostic(`${runs} runs, ${calls} other calls, ${conflicts} conflicts`)
    },
  )
}
