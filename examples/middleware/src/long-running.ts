// Work that goes on beside the handler, and after it.
// #region example
import { json, longRunning, MemoryStorage, WorkerBuilder } from '@apalis/core'

const imports = new MemoryStorage().queue('imports', {
  args: json<{ pages: number }>(),
  result: json<{ rows: number }>(),
})

const worker = new WorkerBuilder('importer')
  .backend(imports)
  .provide(longRunning({ maxDuration: '10m' }))
  .build(async ({ pages }, { data: { runner } }) => {
    const rows = runner.channel<number>()
    for (let page = 1; page <= pages; page += 1) {
      rows.execute((signal) => importPage(page, signal))
    }
    let sum = 0
    for await (const outcome of rows) {
      // A failure that is read fails nothing: this one does.
      if (!outcome.ok) throw outcome.error
      sum += outcome.result
    }
    // Nobody waits for this here, but the task is done after it only.
    runner.execute(() => tidyUp())
    return { rows: sum }
  })
// #endregion

import { setTimeout } from 'node:timers/promises'

async function importPage(page: number, signal: AbortSignal): Promise<number> {
  await setTimeout(10, undefined, { signal })
  return page * 100
}

async function tidyUp(): Promise<void> {
  await setTimeout(10)
  console.log('tidied up')
}

const id = await imports.push({ pages: 3 })
await worker.runUntil(imports.result(id).then(console.log))

// Output:
// tidied up
// { rows: 600 }
