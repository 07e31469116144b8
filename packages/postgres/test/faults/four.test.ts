import { test } from 'node:test'
import { long } from '../support/long.ts'
import { findOwnPostgres } from '../support/server.ts'
import { openFourServer, runFour } from './support/four.ts'

const { missing: skip } = findOwnPostgres()
const load = long ? { loadMs: 120_000 } : { loadMs: 0, most: 600 }

test(
  'four processes at full load: nobody hears of a deadlock, and each was tried again',
  { skip },
  async (t) => {
    await using server = await openFourServer()
    const { runs, calls, conflicts } = await runFour(server, load)
    t.diagnostic(`${runs} runs, ${calls} other calls, ${conflicts} conflicts`)
  },
)
