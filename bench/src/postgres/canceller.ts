// Kills the tasks that it is told of: `canceller.ts URL`, each id as a message.
import { PostgresStorage } from '@apalis/postgres'

const storage = await PostgresStorage.connect(process.argv[2] ?? '')
const queue = storage.queue('bench')
process.on('message', (id: string) => {
  queue.kill(id).then(
    (killed) => process.send?.(killed),
    (error: unknown) => {
      throw error
    },
  )
})
process.once('disconnect', () => void storage.close())
process.send?.('ready')
