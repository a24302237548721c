//! How the daemon reaches others, made of the settings: whom it trusts, by which proxies, and the mail relay.

use std::io::Read as _;
use std::sync::Arc;

use anyhow::{Context as _, Result};

use crate::clock::Time;
use crate::config::{self, Settings, TrustFile};
use crate::dispatch::http::HttpSender;
use crate::dispatch::proxy::{Proxies, Proxy};
use crate::dispatch::resolve::Resolver;
use crate::dispatch::smtp::{Mailer, SmtpSettings};
use crate::dispatch::trust::{PEM_MOST_BYTES, PemFile, Trust};
use crate::secret::{Secret, Secrets};

/// What sends webhooks.
pub(super) fn http(
    settings: &Settings,
    secrets: &Secrets,
    resolver: Resolver,
    trust: &Arc<Trust>,
) -> Result<HttpSender> {
    let proxies = proxies(settings, secrets)?;
    HttpSender::new(settings.allow_private_receivers, resolver, trust, proxies)
}

/// What sends mail.
pub(super) fn mailer(settings: &Settings, secrets: &Secrets, resolver: Resolver, trust: &Arc<Trust>) -> Result<Mailer> {
    let Some(smtp) = &settings.smtp else {
        return Ok(Mailer::folder(&settings.state.join("mail")));
    };
    let password = secret(secrets, smtp.password.as_ref(), "the password of the mail relay")?;
    let credentials = smtp.user.clone().zip(password);
    let relay =
        SmtpSettings::read(smtp.url.as_str(), credentials).map_err(|why| anyhow::anyhow!("the mail relay: {why}"))?;
    Mailer::smtp(relay.with_hello(smtp.hello.as_deref()), resolver, trust).context("preparing the mail relay")
}

/// Whom the settings trust: their files are read now.
///
/// # Errors
/// When a file of `trust` cannot be read or holds anything but certificates; in words that name it and say what to do.
pub fn trust(settings: &Settings) -> Result<Arc<Trust>> {
    let files = settings.trust.iter().map(read).collect::<Result<Vec<_>>>()?;
    Trust::new(&files)
}

/// What an operator should know of these settings, and mend before somebody is not told.
pub fn warnings(settings: &Settings, now: Time) -> Vec<String> {
    let files = settings.trust.iter().filter_map(|file| read(file).ok());
    let expiring = files.flat_map(|file| file.warnings(now));
    let proxy = config::unused_proxy_variables(settings, |name| std::env::var_os(name));
    let relay = config::relay_warning(settings.smtp.as_ref());
    proxy.into_iter().chain(relay).chain(expiring).collect()
}

fn read(file: &TrustFile) -> Result<PemFile> {
    let name = file.path.display().to_string();
    let reading = || format!("reading the certificates of `trust` in {name}");
    let opened = std::fs::File::open(&file.path).with_context(reading)?;
    let mut bytes = Vec::new();
    // one byte more than may be: the file is then known to be too large
    opened
        .take(PEM_MOST_BYTES + 1)
        .read_to_end(&mut bytes)
        .with_context(reading)?;
    Ok(PemFile {
        name,
        bytes,
        hosts: file.hosts.clone(),
    })
}

fn proxies(settings: &Settings, secrets: &Secrets) -> Result<Proxies> {
    let Some(setting) = &settings.proxy else {
        return Ok(Proxies::default());
    };
    let password = secret(secrets, setting.password.as_ref(), "the password of the proxy")?;
    let credentials = setting.user.as_deref().zip(password.as_ref());
    let proxy = |url: &Option<url::Url>| {
        let made = url.as_ref().map(|url| Proxy::new(url, credentials));
        made.transpose().map_err(anyhow::Error::msg)
    };
    Ok(Proxies {
        http: proxy(&setting.http)?,
        https: proxy(&setting.https)?,
        except: setting.except.clone(),
    })
}

fn secret(secrets: &Secrets, name: Option<&String>, what: &'static str) -> Result<Option<Secret>> {
    name.map(|name| secrets.operator(name)).transpose().context(what)
}
