import type { Store } from './store.ts'
import { count, counted } from './text.ts'

/** What an interrupted run has left in the store, one line each; none where there was no such run. */
export async function leftovers({ files }: Store, now: Date): Promise<string[]> {
  const { pending, failed, running, done, killed } = await files.metrics()
  const queued = pending + failed + running
  if (queued + done + killed === 0) return []
  const parts = [`${counted(done, 'file')} done before`, `${count(queued)} queued`]
  if (killed > 0) parts.push(`${count(killed)} given up and tried again`)
  const lines = [`going on where an interrupted run stopped: ${parts.join(', ')}`]
  const held = await heldLine({ files }, now)
  return held === undefined ? lines : [...lines, held]
}

/** Gives all that was given up another life. */
export async function retryKilled({ files }: Store): Promise<void> {
  for (;;) {
    const killed = await files.listTasks({ status: 'killed', pageSize: 1_000 })
    if (killed.length === 0) return
    await Promise.all(killed.map(({ parts }) => files.retry(parts.taskId)))
  }
}

/** Whoever holds tasks before this run has any workers is dead: no two runs are at the same folder and manifest. */
async function heldLine({ files }: Pick<Store, 'files'>, now: Date): Promise<string | undefined> {
  const holders = (await files.listWorkers()).filter(({ held }) => held > 0)
  if (holders.length === 0) return undefined
  const held = holders.reduce((sum, worker) => sum + worker.held, 0)
  const by = holders.length === 1 ? 'a worker' : `${count(holders.length)} workers`
  const whose = `${counted(held, 'file')} ${held === 1 ? 'is' : 'are'} still held by ${by} that died`
  const until = Math.max(...holders.map((worker) => worker.lastBeatAt.getTime() + worker.leaseMs))
  const they = held === 1 ? 'it is' : 'they are'
  return `${whose}; ${they} taken back ${until > now.getTime() ? `by ${timeText(until)}` : 'now'}`
}

/** The time of day, of the next whole second. */
function timeText(ms: number): string {
  return new Date(Math.ceil(ms / 1_000) * 1_000).toLocaleTimeString('en-GB')
}
