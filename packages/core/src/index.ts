export { ApalisError } from './internal/apalis-error.ts'
