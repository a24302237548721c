//! The Standard Webhooks 1.0.0 headers: the id that tells a repeat, the time of the attempt, and the signature. Pure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::secret::Secret;

/// The `webhook-*` headers of one attempt. `secret` holds one key, or several (new and old) separated by blanks: then
/// each signs. A key is `whsec_` and base64, or any other text taken as its own bytes.
///
/// # Errors
/// When a key begins with `whsec_` and is not base64, or is empty; never with the key in it.
pub fn sign(secret: &Secret, id: &str, timestamp: i64, body: &[u8]) -> Result<Vec<(&'static str, String)>, String> {
    let keys = secret
        .reveal()
        .split_whitespace()
        .map(key)
        .collect::<Result<Vec<_>, _>>()?;
    if keys.is_empty() {
        return Err("the signing secret is empty".into());
    }
    let signatures: Vec<String> = keys.iter().map(|key| signature(key, id, timestamp, body)).collect();
    let mut headers = unsigned(id, timestamp);
    headers.push(("webhook-signature", signatures.join(" ")));
    Ok(headers)
}

/// The same headers for an endpoint without a signing secret: the id still tells a repeat.
pub fn unsigned(id: &str, timestamp: i64) -> Vec<(&'static str, String)> {
    vec![
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", timestamp.to_string()),
    ]
}

fn key(text: &str) -> Result<Vec<u8>, String> {
    let Some(encoded) = text.strip_prefix("whsec_") else {
        return Ok(text.as_bytes().to_vec());
    };
    match BASE64.decode(encoded) {
        Ok(key) if !key.is_empty() => Ok(key),
        _ => Err("the signing secret begins with `whsec_` but base64 does not follow".into()),
    }
}

fn signature(key: &[u8], id: &str, timestamp: i64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    format!("v1,{}", BASE64.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::{sample, webhook::render};

    #[test]
    fn the_signature_is_that_of_standard_webhooks() {
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let headers = sign(
            &secret,
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        )
        .expect("signs");
        assert_eq!(
            headers[2],
            (
                "webhook-signature",
                "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=".into()
            )
        );
    }

    #[test]
    fn both_keys_of_a_rotation_sign_and_the_other_side_agrees() {
        let (new, old) = (
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "an older secret, raw".replace(' ', "-"),
        );
        let body = render(&sample::update());
        let headers = sign(&Secret::new(&format!("{new}\n{old}")), "dlv_1", 1_614_265_330, &body).expect("signs");
        let by_new = standardwebhooks::Webhook::new(new).expect("a key");
        let by_old = standardwebhooks::Webhook::from_bytes(old.into_bytes()).expect("a key");
        let expected = [by_new, by_old]
            .map(|hook| hook.sign("dlv_1", 1_614_265_330, &body).expect("signs"))
            .join(" ");
        assert_eq!(headers[2].1, expected);
    }

    #[test]
    fn a_broken_key_is_an_error_that_does_not_show_it() {
        for bad in ["whsec_!!hunter2", "whsec_", " \n"] {
            let why = sign(&Secret::new(bad), "dlv_1", 1, b"{}").expect_err("no key");
            assert!(!why.contains("hunter2"));
        }
    }
}
