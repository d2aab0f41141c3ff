//! Cloud KMS over a fake that is held to Google's discovery document.

use common::gcp::Access;
use common::gcp::kms::CloudKms;
use common::keys::{KeyService, Secret, contract};
use common::port::PortError;
use serde_json::json;

use crate::fakes::kms::{KEY, serve};
use crate::fakes::{Fake, Fault, Refused};

const AAD: &[u8] = b"v1|acme|k1|api-key";
const SECRET: &str = "acme_api_0123456789";

async fn kms(fake: &Fake, key: &str) -> CloudKms {
    CloudKms::new(&Access::new(Some(&fake.url)).unwrap(), key).await.unwrap()
}

#[tokio::test]
async fn cloud_kms_keeps_the_contract() {
    let fake = serve().await;
    contract::round_trip(&kms(&fake, KEY).await).await;
    let calls = fake.calls();
    assert!(calls.len() >= 6);
    for call in calls {
        let fields = call.body.as_object().unwrap();
        // An empty ciphertext is left out by the client, its checksum of 0 is not.
        for field in ["additionalAuthenticatedData", "additionalAuthenticatedDataCrc32c"] {
            assert!(fields.contains_key(field), "{}", call.body);
        }
        let content = if call.method.ends_with("encrypt") { "plaintext" } else { "ciphertext" };
        assert!(fields.contains_key(&format!("{content}Crc32c")), "{}", call.body);
    }
}

#[tokio::test]
async fn an_empty_secret_comes_back() {
    let fake = serve().await;
    let kms = kms(&fake, KEY).await;
    let sealed = kms.encrypt(&Secret::new(""), AAD).await.unwrap();
    assert_eq!(kms.decrypt(&sealed, AAD).await.unwrap().expose(), "");
}

#[tokio::test]
async fn what_was_altered_on_the_way_is_asked_for_again_and_never_believed() {
    let fake = serve().await;
    let kms = kms(&fake, KEY).await;
    let sealed = kms.encrypt(&Secret::new(SECRET), AAD).await.unwrap();
    fake.calls();
    let encrypting: [Fault; 7] = [
        Fault::Alter(|answer| answer["ciphertextCrc32c"] = json!("1")),
        Fault::Alter(|answer| drop(answer.as_object_mut().unwrap().remove("ciphertextCrc32c"))),
        Fault::Alter(|answer| answer["ciphertext"] = json!("AAAA")),
        Fault::Alter(|answer| answer["verifiedPlaintextCrc32c"] = json!(false)),
        Fault::Alter(|answer| answer["verifiedAdditionalAuthenticatedDataCrc32c"] = json!(false)),
        Fault::Alter(|answer| answer["name"] = json!(format!("{KEY}2/cryptoKeyVersions/1"))),
        Fault::Refuse(Refused(400, "INVALID_ARGUMENT", "field plaintext_crc32c does not fit")),
    ];
    let decrypting: [Fault; 4] = [
        Fault::Alter(|answer| answer["plaintextCrc32c"] = json!("1")),
        Fault::Alter(|answer| drop(answer.as_object_mut().unwrap().remove("plaintextCrc32c"))),
        Fault::Alter(|answer| answer["plaintext"] = json!("AAAA")),
        Fault::Refuse(Refused(400, "INVALID_ARGUMENT", "field ciphertext_crc32c does not fit")),
    ];
    let faults = encrypting.iter().map(|fault| (true, *fault));
    for (encrypts, fault) in faults.chain(decrypting.iter().map(|fault| (false, *fault))) {
        for (times, calls) in [(1, 2), (2, 3), (3, 3)] {
            fake.next(&vec![fault; times]);
            let sealed = if encrypts {
                kms.encrypt(&Secret::new(SECRET), AAD).await
            } else {
                Ok(sealed.clone())
            };
            let opened = match sealed {
                Ok(sealed) => kms.decrypt(&sealed, AAD).await,
                Err(error) => Err(error),
            };
            match opened {
                Ok(secret) if times < 3 => assert_eq!(secret.expose(), SECRET),
                Err(PortError::Unavailable(_)) if times == 3 => {}
                other => panic!("{fault:?} {times} times: {other:?}"),
            }
            let method = if encrypts { "encrypt" } else { "decrypt" };
            let made = fake.calls().iter().filter(|call| call.method.ends_with(method)).count();
            assert_eq!(made, calls, "{fault:?} {times} times");
        }
    }
}

#[tokio::test]
async fn a_refusal_has_its_kind_and_none_of_the_services_words() {
    const WORDS: &str = "acme_api_0123456789 is what it was about";
    let fake = serve().await;
    let kms = kms(&fake, KEY).await;
    let sealed = kms.encrypt(&Secret::new(SECRET), AAD).await.unwrap();
    let refuse = |code, status| Fault::Refuse(Refused(code, status, WORDS));
    let kind = |error: &PortError| match error {
        PortError::InvalidQuery(_) => "invalid",
        PortError::NotFound(_) => "not found",
        PortError::PermissionDenied(_) => "denied",
        PortError::RateLimited(_) => "limited",
        PortError::Unavailable(_) => "unavailable",
        PortError::Other { .. } => "other",
        PortError::AlreadyExists(_) | PortError::Conflict(_) => "no kind of this port",
    };
    let unavailable = refuse(503, "UNAVAILABLE");
    for (faults, expected) in [
        (vec![refuse(400, "INVALID_ARGUMENT")], "invalid"),
        (vec![refuse(400, "FAILED_PRECONDITION")], "other"),
        (vec![refuse(401, "UNAUTHENTICATED")], "denied"),
        (vec![refuse(403, "PERMISSION_DENIED")], "denied"),
        (vec![refuse(404, "NOT_FOUND")], "not found"),
        (vec![refuse(429, "RESOURCE_EXHAUSTED")], "limited"),
        (vec![refuse(500, "INTERNAL")], "unavailable"),
        (vec![unavailable; 4], "unavailable"),
        (vec![Fault::Alter(|answer| answer["plaintext"] = json!([WORDS]))], "other"),
        (vec![Fault::Alter(|answer| *answer = json!([WORDS]))], "other"),
    ] {
        fake.next(&faults);
        fake.calls();
        let error = kms.decrypt(&sealed, AAD).await.unwrap_err();
        assert_eq!(kind(&error), expected, "{faults:?}: {error}");
        let said = format!("{error} {error:?}");
        assert!(!said.contains(SECRET) && said.contains(KEY), "{faults:?}: {said}");
        assert_eq!(fake.calls().len(), faults.len(), "{faults:?}");
    }
    fake.next(&[unavailable, Fault::Lose, unavailable]);
    assert_eq!(kms.decrypt(&sealed, AAD).await.unwrap().expose(), SECRET, "retried");
    let role = {
        fake.next(&[refuse(403, "PERMISSION_DENIED")]);
        kms.encrypt(&Secret::new(SECRET), AAD).await.unwrap_err().to_string()
    };
    assert!(role.contains("roles/cloudkms.cryptoKeyEncrypterDecrypter"), "{role}");
}

#[tokio::test]
async fn a_key_that_is_not_there_or_misnamed_is_refused() {
    let fake = serve().await;
    let other = kms(&fake, &format!("{KEY}-2")).await;
    let error = other.encrypt(&Secret::new(SECRET), AAD).await.unwrap_err();
    assert!(matches!(error, PortError::NotFound(_)), "{error}");
    let access = Access::new(Some(&fake.url)).unwrap();
    let error = CloudKms::new(&access, "k").await.err().unwrap();
    assert!(error.to_string().contains("'k'"), "{error}");
}
