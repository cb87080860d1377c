export {
  type TestClaims,
  type TestDomain,
  type TestToken,
  createTestDomain,
} from '../../../../core/verifier/test/fixture.ts'
