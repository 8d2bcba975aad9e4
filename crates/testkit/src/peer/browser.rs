//! A real browser without a screen, driven over WebDriver (W3C) and watched: what it logs, and what it asks the network for.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};
use data_encoding::BASE64;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::file;
use crate::http::Client;
use crate::process::{Group, Service};
use crate::program::{CHROMEDRIVER, CHROMIUM};

/// Chromium with an empty profile.
#[derive(Debug)]
pub struct Browser {
    _driver: Service,
    client: Client,
    session: String,
    _folder: TempDir,
}

impl Browser {
    /// Starts one with a window of this size.
    ///
    /// # Errors
    /// When `chromium` or its driver is not installed or does not start.
    pub fn start(width: u32, height: u32) -> anyhow::Result<Self> {
        let (chromium, driver) = (CHROMIUM.find()?, CHROMEDRIVER.find()?);
        let folder = tempfile::tempdir()?;
        let (service, address) = super::start_on_free_port(
            "chromedriver",
            &folder.path().join("driver.log"),
            Group::Own,
            |address| {
                let mut command = Command::new(&driver);
                command
                    .arg(format!("--port={}", address.port()))
                    .current_dir(folder.path())
                    .env("HOME", folder.path())
                    .env("TMPDIR", folder.path());
                Ok(command)
            },
        )?;
        let client = Client::plain(address);
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"binary": chromium, "args": [
                "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
                "--hide-scrollbars", format!("--window-size={width},{height}"),
                format!("--user-data-dir={}", folder.path().join("profile").display()),
            ]},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }}});
        let answer = call(&client, "POST", "/session", &wanted)?;
        let session = answer["sessionId"].as_str().context("no session")?;
        let browser = Self {
            _driver: service,
            client,
            session: session.to_owned(),
            _folder: folder,
        };
        // Away from the browser's own start page, and from what that asked for.
        browser.call("url", &json!({"url": "about:blank"}))?;
        browser.requests()?;
        browser.log()?;
        Ok(browser)
    }

    fn call(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let path = format!("/session/{}/{path}", self.session);
        call(&self.client, "POST", &path, body)
    }

    /// Opens a file and waits until it is loaded.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(&self, page: &Path) -> anyhow::Result<()> {
        let url = format!("file://{}", page.display());
        self.call("url", &json!({"url": url})).map(drop)
    }

    /// Runs a function body in the page and gives what it returns.
    ///
    /// # Errors
    /// When it throws.
    pub fn script(&self, body: &str) -> anyhow::Result<Value> {
        self.call("execute/sync", &json!({"script": body, "args": []}))
    }

    /// A command of Chromium's own protocol.
    ///
    /// # Errors
    /// When the browser refuses it.
    pub fn command(&self, name: &str, parameters: &Value) -> anyhow::Result<Value> {
        let body = json!({"cmd": name, "params": parameters});
        self.call("goog/cdp/execute", &body)
    }

    /// What the page has logged since the last call, errors of the browser and violations of its policy among it.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub fn log(&self) -> anyhow::Result<Vec<String>> {
        let entries = self.call("se/log", &json!({"type": "browser"}))?;
        let entries = entries.as_array().context("no log")?;
        Ok(entries
            .iter()
            .map(|entry| format!("{}: {}", text(&entry["level"]), text(&entry["message"])))
            .collect())
    }

    /// What pages have asked for since the last call, the pages themselves included.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub fn requests(&self) -> anyhow::Result<Vec<String>> {
        let entries = self.call("se/log", &json!({"type": "performance"}))?;
        let mut urls = Vec::new();
        for entry in entries.as_array().context("no log")? {
            let event: Value = serde_json::from_str(&text(&entry["message"]))?;
            let message = &event["message"];
            if message["method"] == "Network.requestWillBeSent" {
                urls.push(text(&message["params"]["request"]["url"]));
            }
        }
        Ok(urls)
    }

    /// Writes a picture of the whole page, PNG.
    ///
    /// # Errors
    /// When the browser makes none or the file cannot be written.
    pub fn picture(&self, path: &Path) -> anyhow::Result<()> {
        let whole = json!({"format": "png", "captureBeyondViewport": true});
        let answer = self.command("Page.captureScreenshot", &whole)?;
        let png = BASE64.decode(text(&answer["data"]).as_bytes())?;
        file::write(path, png)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends its browser; what is left of either goes with the group.
        let path = format!("/session/{}", self.session);
        drop(call(&self.client, "DELETE", &path, &Value::Null));
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn call(client: &Client, method: &str, path: &str, body: &Value) -> anyhow::Result<Value> {
    let headers = [("Content-Type", "application/json; charset=utf-8")];
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let response = client.request(method, path, &headers, body.as_bytes())?;
    let answer: Value = serde_json::from_slice(&response.body)?;
    if response.status != 200 {
        bail!("{path}: {}", answer["value"]["message"]);
    }
    Ok(answer["value"].clone())
}
