// A program that pushes and has nothing else to do: whatever it leaves open would keep it from ending.
import { MemoryStore } from '../../src/storage/memory/memory-store.ts'
import { Storage } from '../../src/storage/storage.ts'

const tasks = new Storage(new MemoryStore()).queue<{ n: number }>('work')
const id = await tasks.push({ n: 1 })
await tasks.pushBulk([{ n: 2 }, { n: 3 }])
await tasks.reschedule(id, '1h')
console.log(await tasks.metrics())
