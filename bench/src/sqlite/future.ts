import { performance } from 'node:perf_hooks'
import type { NewRow } from '@apalis/core'
import type { Contender, Suite } from '../contender.ts'
import { percentile } from '../numbers.ts'
import { openRawStore, rawWorker } from './raw-store.ts'
import { withFile } from './with-file.ts'

const DAY_MS = 86_400_000

/** What a claim takes that finds nothing, with nothing in the queue and with a million tasks that are not due. */
export const future: Suite = {
  contenders: [claimer('with a million', 1_000_000), claimer('empty', 0)],
  compared: ['with a million'],
  unit: 'µs',
  of: 'claims',
  tasks: 1_000,
  warmUp: 0,
}

function claimer(name: string, waiting: number): Contender {
  return {
    name,
    package: '@apalis/sqlite',
    run: (claims, limit, deliveries) =>
      withFile(async (path) => {
        const store = await openRawStore(path, 'full')
        for (let from = 0; from < waiting; from += 1_000) {
          await store.insert(
            'bench',
            Array.from({ length: 1_000 }, (_, at) => futureRow(from + at)),
          )
        }
        const times: number[] = []
        // As many first that do not count.
        for (let index = -claims; index < claims; index += 1) {
          const begun = performance.now()
          const { rows } = await store.claim(rawWorker, limit, { suspects: 1 })
          const took = performance.now() - begun
          if (rows.length > 0) throw new Error('a task was claimed that is not due')
          if (index < 0) continue
          times.push(took * 1_000)
          deliveries.run(index)
        }
        await store.close()
        return { value: percentile(times, 50), also: { 'p99 µs': percentile(times, 99) } }
      }),
  }
}

function futureRow(index: number): NewRow {
  return {
    id: String(index).padStart(26, '0'),
    args: JSON.stringify({ index }),
    priority: index % 3,
    attempts: 5,
    runAt: Date.now() + DAY_MS + index,
  }
}
