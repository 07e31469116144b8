// A layer as a plain function.
// #region function
import { type LayerFunction, MemoryStorage, WorkerBuilder } from '@apalis/core'

const timed: LayerFunction = async (request, next) => {
  const begun = performance.now()
  try {
    return await next()
  } finally {
    const ms = performance.now() - begun
    console.log(`attempt ${request.attempt} took ${ms < 1_000 ? 'less' : 'more'} than a second`)
  }
}

const reports = new MemoryStorage().queue<string>('reports')

const worker = new WorkerBuilder('reporter')
  .backend(reports)
  .use(timed)
  .build((month) => console.log(`report of ${month}`))

const id = await reports.push('May')
await worker.runUntil(reports.result(id))
// #endregion

// Output:
// report of May
// attempt 1 took less than a second
