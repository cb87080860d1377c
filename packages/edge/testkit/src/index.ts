export { type FixedClock, fixedClock, fixedClockStartMs } from './fixed-clock.ts'
export { createTestAuthority, type TestAuthority, type TestAuthorityOptions } from './test-authority.ts'
export { type TestTokenOrder } from './token-claims.ts'
