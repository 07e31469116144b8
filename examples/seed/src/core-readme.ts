// #region example
import { AbortError, json, MemoryStorage, Monitor, WorkerBuilder } from '@apalis/core'

const storage = new MemoryStorage()
const roots = storage.queue('roots', { args: json<number>(), result: json<number>(), attempts: 3 })

const monitor = new Monitor().register(() =>
  new WorkerBuilder('calculator').backend(roots).build((number) => {
    if (number < 0) throw new AbortError(`${number} has no root`)
    return Math.sqrt(number)
  }),
)

const stop = new AbortController()
const running = monitor.run({ signal: stop.signal })
const ids = await roots.pushBulk([16, -1])
for await (const { status, result, error } of roots.waitFor(ids)) {
  console.log(status, result ?? error?.message)
}
stop.abort()
await running
// #endregion

// Output:
// done 4
// killed -1 has no root
